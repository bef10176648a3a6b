"""The peer's lists of products: annotated, select_related, with a usual serializer."""
