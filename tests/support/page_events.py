"""Alerts and heartbeats that a page hears without a server that sends them."""

from tests.support.browser import Page

__all__ = ["FAKE_EVENTS", "hear"]

# For Page.addScriptToEvaluateOnNewDocument: `window.alerts` is what the page listens to.
FAKE_EVENTS = """(() => {
  window.EventSource = class extends EventTarget {
    constructor() { super(); window.alerts = this; this.readyState = 1; }
    close() {}
  };
  window.EventSource.CLOSED = 2;
})()"""


def hear(page: Page, transient: int, first: int, last: int) -> None:
    """Let the page hear alerts of these numbers and heartbeats, a frame for each ten of them."""
    page.run(
        f"""(async () => {{
          for (let id = {first}; id < {last}; id += 1) {{
            const event = (kind, data) => window.alerts.dispatchEvent(
              new MessageEvent(kind, {{data: JSON.stringify(data), lastEventId: String(id)}}));
            const now = new Date().toISOString();
            event('heartbeat', {{time: now, last_image_age_s: 1}});
            event('alert', {{id, kind: 'new_source', snr: 20, stream: 'x', trig_id: String(id),
              transient_id: {transient}, time_alert: now}});
            if (id % 10 === 0) await new Promise(requestAnimationFrame);
          }}
        }})()"""
    )
