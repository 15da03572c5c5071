"""The disk of the inbox, which an administrator or a storage class would bring."""

import yaml

__all__ = ["describe_inbox_volume"]


def describe_inbox_volume(**source: dict[str, str]) -> str:
    """Return a volume for the claim of the component `inbox`.

    Parameters
    ----------
    **source : dict of str to str
        Where its files are, such as ``hostPath={"path": "/inbox"}``.
    """
    spec = {
        "capacity": {"storage": "100Gi"},
        "accessModes": ["ReadWriteMany"],
        "claimRef": {"namespace": "livetrap", "name": "livetrap-inbox"},
        **source,
    }
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "inbox"}}
    return yaml.safe_dump(volume | {"spec": spec})
