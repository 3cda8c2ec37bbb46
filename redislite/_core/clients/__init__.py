"""What is kept per client, and what is sent to one out of its turn."""
