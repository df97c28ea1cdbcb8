"""The systems that Table 1 compares with, behind the interface of `cmpie_lite.model`.

Each module states the idea, the maths, what is published and what is our reading.
"""
