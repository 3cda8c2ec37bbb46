"""Who may run which command, and what runs it."""
