"""The other systems of Table 1, behind the same interface as `cmpie_lite.model`."""
