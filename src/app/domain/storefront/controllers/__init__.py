"""The routes below `/api/products/` and of the pictures, a file each."""
