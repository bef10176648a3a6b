"""The outside services, a file each: an HTTP client and an address in, Structs out, ProviderError when it fails."""
