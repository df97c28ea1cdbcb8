"""From a folder of feature files to a packed store."""
