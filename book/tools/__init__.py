"""The scripts that generate, execute, check and print the book."""
