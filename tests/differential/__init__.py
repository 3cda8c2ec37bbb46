"""The same commands to our server and to the original, replies and state compared."""
