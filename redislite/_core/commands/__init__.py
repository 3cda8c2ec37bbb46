"""What a command is: its row, its keys, its arguments, and the table of all."""
