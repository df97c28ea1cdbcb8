"""From a video to its features: decoding, log-mel patches, networks, many videos at once."""
