"""What can be trained: the rows of Tables 1 and 2, and the models that only Table 1 needs."""
