"""From the authors' and others' hosts: annotations, features, videos."""
