"""What every floor leans on: checked fields, whole files, optional packages, devices, workers, dropout."""
