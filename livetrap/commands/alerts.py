"""Commands about alerts: list, show, try, take back; storms; who gets them."""

import json
import sys
import time
from typing import Annotated

import typer

from livetrap.commands.options import DataDir, JsonOutput, use_running_stack

__all__ = ["alerts"]

alerts = typer.Typer(
    name="alerts", no_args_is_help=True, help="What was sent: list, show, try, take back."
)


@alerts.command("list")
def list_alerts(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Ivorn or TrigID; none: all")
    ] = None,
    *,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first")] = 50,
    data_dir: DataDir = None,
    as_json: JsonOutput = False,
) -> None:
    """List alerts, newest first.

    Examples: `livetrap alerts list` · `livetrap alerts list ttdeiybnjo4mbfmb --json`
    """
    from livetrap.operator.alerts import list_alerts as fetch  # noqa: PLC0415
    from livetrap.operator.alerts import render_alerts  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    found = fetch(load_settings(), family=name, limit=limit)
    print(json.dumps(found, indent=2, default=str) if as_json else render_alerts(found))


@alerts.command("show")
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Ivorn, or TrigID for the last")],
    *,
    data_dir: DataDir = None,
) -> None:
    """Print the VOEvent that was sent.

    Example: `livetrap alerts show ttdeiybnjo4mbfmb`
    """
    from livetrap.operator.alerts import get_packet  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    sys.stdout.write(get_packet(load_settings(), name).decode())


@alerts.command("deliveries")
def deliveries(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Ivorn, number, or TrigID for the last")
    ],
    *,
    data_dir: DataDir = None,
    as_json: JsonOutput = False,
) -> None:
    """List who was handed an alert and who has acknowledged it, with their addresses.

    Example: `livetrap alerts deliveries ttdeiybnjo4mbfmb`
    """
    from livetrap.operator.alerts import list_deliveries, render_deliveries  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    found = list_deliveries(load_settings(), name)
    print(json.dumps(found, indent=2, default=str) if as_json else render_deliveries(found))


@alerts.command("test")
def send_test(
    *,
    ra: Annotated[float, typer.Option(min=0, max=360, help="Right ascension [deg]")] = 0.0,
    dec: Annotated[float, typer.Option(min=-90, max=90, help="Declination [deg]")] = 90.0,
    wait: Annotated[float, typer.Option(min=0, help="For acknowledgements [s]")] = 5.0,
    data_dir: DataDir = None,
    as_json: JsonOutput = False,
) -> None:
    """Send a test alert to everybody, on every channel, and tell who has it.

    Its role is `test`: no telescope should move for it. Robots that hear it will hear real ones.

    Examples: `livetrap alerts test` · `livetrap alerts test --ra 83.6 --dec 22.0 --wait 20`
    """
    from livetrap.operator.alerts import list_deliveries, render_deliveries  # noqa: PLC0415
    from livetrap.operator.test_alert import send_test_alert  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    settings = load_settings()
    ivorn = send_test_alert(settings, ra=ra, dec=dec)
    if not as_json:
        print(f"{ivorn} is on Kafka and with the VTP subscribers; waiting {wait:g} s for answers")
    time.sleep(wait)
    found = list_deliveries(settings, ivorn)
    print(json.dumps(found, indent=2, default=str) if as_json else render_deliveries(found))


@alerts.command("retract")
def retract(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Ivorn, TrigID, or transient's number")
    ] = None,
    *,
    image: Annotated[
        str | None, typer.Option(metavar="SHA256", help="All that this image created instead")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; subscribers read it")],
    data_dir: DataDir = None,
) -> None:
    """Tell every subscriber that an alert was wrong. Nothing brings it back.

    Examples: `livetrap alerts retract ttdeiybnjo4mbfmb --reason "side lobe of Cyg A"` ·
    `livetrap alerts retract --image 618b90... --reason "bad calibration"`
    """
    from livetrap.operator.alerts import retract as retract_transient  # noqa: PLC0415
    from runtime.errors import SettingsError  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    if (name is None) == (image is None):
        raise SettingsError("give one of NAME and --image")
    use_running_stack(data_dir)
    for family in retract_transient(load_settings(), name=name, image_id=image, reason=reason):
        print(f"retracted {family}")


@alerts.command("held")
def held(
    *,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, oldest first")] = 100,
    data_dir: DataDir = None,
    as_json: JsonOutput = False,
) -> None:
    """List candidates that are held because their image or minute brought too many.

    Example: `livetrap alerts held`
    """
    from livetrap.operator.alerts import list_suppressed  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    found = list_suppressed(load_settings(), limit=limit)
    if as_json:
        print(json.dumps(found, indent=2, default=str))
        return
    for row in found:
        print(f"{row['event_id']}  {row['stream']}  S/N {float(row['snr']):.1f}  {row['reason']}")
    if not found:
        print("nothing is held")


@alerts.command("release")
def release(
    name: Annotated[
        str | None, typer.Argument(metavar="EVENT", help="As `held` shows it, or TrigID")
    ] = None,
    *,
    image: Annotated[
        str | None, typer.Option(metavar="SHA256", help="All of this image instead")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Let held candidates become alerts.

    Examples: `livetrap alerts release 3a6192...` · `livetrap alerts release --image 618b90...`
    """
    from livetrap.operator.alerts import release as let_out  # noqa: PLC0415
    from runtime.errors import SettingsError  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    if (name is None) == (image is None):
        raise SettingsError("give one of EVENT and --image")
    use_running_stack(data_dir)
    for event in let_out(load_settings(), name=name, image_id=image):
        print(f"released {event}")


@alerts.command("subscribers")
def subscribers(*, data_dir: DataDir = None, as_json: JsonOutput = False) -> None:
    """List who gets alerts by name: VTP, webhooks, brokers, the digest; and how they fare.

    Example: `livetrap alerts subscribers`
    """
    from livetrap.operator.subscribers import list_subscribers  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    found = list_subscribers(load_settings())
    if as_json:
        print(json.dumps(found, indent=2, default=str))
        return
    for row in found:
        why = f"  disabled: {row['disabled_reason']}" if row["disabled_reason"] else ""
        print(f"{row['channel']:<8}{row['name']:<48}{row['n_acknowledged']:>8} alerts{why}")
    if not found:
        print("no subscribers")


@alerts.command("enable")
def enable(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="webhook, broker or email")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `subscribers` shows it")],
    *,
    data_dir: DataDir = None,
) -> None:
    """Serve a webhook, a broker or the digest again that failed too often.

    Example: `livetrap alerts enable webhook robot-1`
    """
    from livetrap.operator.subscribers import enable_subscriber  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    enable_subscriber(load_settings(), channel, name)
    print(f"enabled {channel} {name}")
