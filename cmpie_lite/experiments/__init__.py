"""From settings to run records and reports: one run, many runs, a grid, one video, the command line."""
