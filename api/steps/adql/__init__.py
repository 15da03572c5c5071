"""ADQL 2.1, translated into SQL of PostgreSQL."""
