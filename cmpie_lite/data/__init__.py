"""Where examples come from: packed stores, LLP's annotations, and LLP-sim, the simulated data set."""
