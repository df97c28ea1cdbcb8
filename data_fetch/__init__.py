"""data_fetch: from nothing to packed LLP features, and from any video to features."""
