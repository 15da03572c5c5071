"""Numba kernels: arrays in, arrays out; compiled once per machine into a private cache."""
