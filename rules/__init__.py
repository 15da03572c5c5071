"""The language of the rules that decide which events become alerts."""
