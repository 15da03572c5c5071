"""Commands about alerts: list, show, retract, test; storms; subscribers."""

import json
import sys
import time
from typing import Annotated

import typer

from livetrap.commands.options import DataDir, JsonOutput, require_one, use_running_stack

__all__ = ["alerts"]

alerts = typer.Typer(
    name="alerts",
    no_args_is_help=True,
    help="""List, show, retract and test alerts; release suppressed events; list subscribers.

    An alert has a TrigID (ttdeiybnjo4mbfmb), the same for all alerts about one transient, and an
    ivorn of its own (ivo://org.example/night1#ttdeiybnjo4mbfmb.0).""",
)
ImageHash = Annotated[
    str | None, typer.Option("--image", metavar="SHA256", help="Instead: all of this image")
]


@alerts.command("list")
def list_alerts(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="TrigID or ivorn (default: all)")
    ] = None,
    *,
    limit: Annotated[int, typer.Option(min=1, help="Largest number of alerts")] = 50,
    data_dir: DataDir = None,
    as_json: JsonOutput = False,
) -> None:
    """List alerts, newest first.

    For example:

        livetrap alerts list
        livetrap alerts list ttdeiybnjo4mbfmb --json
    """
    from livetrap.operator.alerts import list_alerts as fetch_alerts  # noqa: PLC0415
    from livetrap.operator.alerts import render_alerts  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    found = fetch_alerts(load_settings(), name=name, limit=limit)
    print(json.dumps(found, indent=2, default=str) if as_json else render_alerts(found))


@alerts.command("show")
def show_alert(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Ivorn, or TrigID for the latest")],
    *,
    data_dir: DataDir = None,
) -> None:
    """Print an alert's VOEvent as it was sent.

    For example:

        livetrap alerts show ttdeiybnjo4mbfmb
        livetrap alerts show 'ivo://org.example/night1#ttdeiybnjo4mbfmb.0' > alert.xml
    """
    from livetrap.operator.alerts import get_voevent  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    sys.stdout.write(get_voevent(load_settings(), name).decode())


@alerts.command("deliveries")
def list_deliveries(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Ivorn, number, or TrigID for the latest")
    ],
    *,
    data_dir: DataDir = None,
    as_json: JsonOutput = False,
) -> None:
    """List the subscribers that an alert was sent to, and when each acknowledged it.

    For example:

        livetrap alerts deliveries ttdeiybnjo4mbfmb
    """
    from livetrap.operator.alerts import list_deliveries as fetch_deliveries  # noqa: PLC0415
    from livetrap.operator.alerts import render_deliveries  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    found = fetch_deliveries(load_settings(), name)
    print(json.dumps(found, indent=2, default=str) if as_json else render_deliveries(found))


@alerts.command("test")
def send_test(
    *,
    ra: Annotated[float, typer.Option(min=0, max=360, help=r"Right ascension \[deg]")] = 0.0,
    dec: Annotated[float, typer.Option(min=-90, max=90, help=r"Declination \[deg]")] = 90.0,
    wait: Annotated[float, typer.Option(min=0, help=r"Wait for acknowledgements \[s]")] = 5.0,
    data_dir: DataDir = None,
    as_json: JsonOutput = False,
) -> None:
    """Send a test alert to all subscribers on all channels, and list who acknowledged it.

    Its VOEvent role is `test`: no telescope shall point because of it. Who has a filter gets it if
    the filter takes it.

    For example:

        livetrap alerts test
        livetrap alerts test --ra 83.6 --dec 22.0 --wait 20
    """
    from livetrap.operator.alerts import list_deliveries as fetch_deliveries  # noqa: PLC0415
    from livetrap.operator.alerts import render_deliveries  # noqa: PLC0415
    from livetrap.operator.test_alert import send_test_alert  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    settings = load_settings()
    ivorn = send_test_alert(settings, ra=ra, dec=dec)
    if not as_json:
        print(f"{ivorn} is sent; waiting {wait:g} s for acknowledgements")
    time.sleep(wait)
    found = fetch_deliveries(settings, ivorn)
    print(json.dumps(found, indent=2, default=str) if as_json else render_deliveries(found))


@alerts.command("retract")
def retract_alert(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="TrigID, ivorn, or number of a transient"),
    ] = None,
    *,
    image: ImageHash = None,
    reason: Annotated[str, typer.Option(help="Why; the subscribers read it")],
    data_dir: DataDir = None,
) -> None:
    """Retract alerts: send every subscriber a retraction. This cannot be undone.

    For example:

        livetrap alerts retract ttdeiybnjo4mbfmb --reason "side lobe of Cyg A"
        livetrap alerts retract --image 618b90... --reason "bad calibration"
    """
    from livetrap.operator.retractions import retract  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    require_one(name, image, names="NAME and --image")
    use_running_stack(data_dir)
    for trig_id in retract(load_settings(), name=name, image_id=image, reason=reason):
        print(f"retracted {trig_id}")


@alerts.command("suppressed")
def list_suppressed_events(
    *,
    limit: Annotated[int, typer.Option(min=1, help="Largest number of events")] = 100,
    data_dir: DataDir = None,
    as_json: JsonOutput = False,
) -> None:
    """List events that became no alerts because there were too many at once, oldest first.

    One image had more than ALERT__MAX_PER_IMAGE, or one minute more than ALERT__MAX_PER_MINUTE; or
    they are side lobes of a bright source. After ALERT__STORM_RELEASE_S the best of those that are
    no side lobes are sent, unless some were released before.

    For example:

        livetrap alerts suppressed
    """
    from livetrap.operator.suppressed_events import list_suppressed, render_suppressed  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    found = list_suppressed(load_settings(), limit=limit)
    print(json.dumps(found, indent=2, default=str) if as_json else render_suppressed(found))


@alerts.command("release")
def release_events(
    name: Annotated[
        str | None,
        typer.Argument(metavar="EVENT", help="As `livetrap alerts suppressed` shows, or TrigID"),
    ] = None,
    *,
    image: ImageHash = None,
    data_dir: DataDir = None,
) -> None:
    """Release suppressed events: send them as alerts.

    For example:

        livetrap alerts release 3a6192...
        livetrap alerts release --image 618b90...
    """
    from livetrap.operator.suppressed_events import release  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    require_one(name, image, names="EVENT and --image")
    use_running_stack(data_dir)
    for event_id in release(load_settings(), name=name, image_id=image):
        print(f"released {event_id}")


@alerts.command("subscribers")
def list_subscribers(*, data_dir: DataDir = None, as_json: JsonOutput = False) -> None:
    """List subscribers by name (VTP, webhook, broker, e-mail, subscription): alerts, failures.

    For example:

        livetrap alerts subscribers
    """
    from livetrap.operator.subscribers import list_subscribers as fetch_subscribers  # noqa: PLC0415
    from livetrap.operator.subscribers import render_subscribers  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    found = fetch_subscribers(load_settings())
    print(json.dumps(found, indent=2, default=str) if as_json else render_subscribers(found))


@alerts.command("enable")
def enable(
    channel: Annotated[
        str, typer.Argument(metavar="CHANNEL", help="webhook, broker, email, subscription")
    ],
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="As `livetrap alerts subscribers` shows")
    ],
    *,
    data_dir: DataDir = None,
) -> None:
    """Deliver again to a webhook, broker, e-mail digest or subscription that was disabled.

    For example:

        livetrap alerts enable webhook robot-1
    """
    from livetrap.operator.subscribers import enable_subscriber  # noqa: PLC0415
    from runtime.settings import load_settings  # noqa: PLC0415

    use_running_stack(data_dir)
    enable_subscriber(load_settings(), channel, name)
    print(f"enabled {channel} {name}")
