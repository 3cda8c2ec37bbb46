"""What one engine knows, as C structs: data only, so that every room above reads it without calling up."""
