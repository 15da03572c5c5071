"""How much later a burst arrives at a lower frequency."""

__all__ = ["DISPERSION_S_HZ2", "dispersion_delay_s"]

# e^2 / (2 pi m_e c) per unit of dispersion measure, 4.148808 ms GHz^2 [s Hz^2 / (pc cm^-3)].
DISPERSION_S_HZ2 = 4.148808e15


def dispersion_delay_s(dm_pc_cm3: float, freq_hz: float, freq_ref_hz: float) -> float:
    """Return how much later a burst arrives at a frequency than at a reference [s].

    Parameters
    ----------
    dm_pc_cm3 : float
        Dispersion measure [pc cm^-3].
    freq_hz, freq_ref_hz : float
        Frequencies [Hz].

    Returns
    -------
    float
        Negative above the reference frequency [s].

    References
    ----------
    Lorimer & Kramer (2005), Handbook of Pulsar Astronomy, section 4.1.1.
    """
    return DISPERSION_S_HZ2 * dm_pc_cm3 * (freq_hz**-2 - freq_ref_hz**-2)
