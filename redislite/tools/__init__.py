"""Console scripts beside the server: converting and checking files of data."""
