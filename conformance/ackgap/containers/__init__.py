"""The container engine: reached, owned, and left as it was found."""
