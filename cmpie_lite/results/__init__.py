"""From scores to statements: tables, intervals, pairs, verdicts, beside the paper's own numbers."""
