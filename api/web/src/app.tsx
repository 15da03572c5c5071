// The page: its head, and what the address names.

import { Component, render, type ComponentChildren, type ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { href, Link, useAddress, type PageName } from "./address";
import { followAlerts, isSilent, live } from "./live";
import { kindText, number } from "./format";
import { AlertsPage } from "./pages/alerts";
import { EtaVPage } from "./pages/eta_v";
import { ImagePage } from "./pages/image";
import { ImagesPage } from "./pages/images";
import { NowPage } from "./pages/now";
import { QualityPage } from "./pages/quality";
import { RulesPage } from "./pages/rules";
import { SkyPage } from "./pages/sky";
import { SourcePage } from "./pages/source";
import { StreamsPage } from "./pages/streams";
import { SystemPage } from "./pages/system";
import { TransientsPage } from "./pages/transients";
import { Header } from "./parts/header";
import { WorkMessage } from "./parts/classify";
import { useStore } from "./store";

const SHOWN: Record<PageName, readonly [string, ComponentType]> = {
  now: ["Now", NowPage],
  transients: ["Transients", TransientsPage],
  source: ["Source", SourcePage],
  "eta-v": ["η–V plane", EtaVPage],
  images: ["Images", ImagesPage],
  image: ["Image", ImagePage],
  streams: ["Streams", StreamsPage],
  rules: ["Rules", RulesPage],
  alerts: ["Alerts", AlertsPage],
  system: ["System", SystemPage],
  quality: ["Quality", QualityPage],
  sky: ["Sky", SkyPage],
};

function Page() {
  const { page } = useAddress();
  const { condition } = useStore(live);
  const [title, Content] = page ? SHOWN[page] : ["Not found", NotFound];
  useEffect(() => {
    document.title = page === "now" ? "LiveTrap" : `${title} · LiveTrap`;
  }, [title]);
  return (
    <>
      <a class="skip" href="#content" onClick={(event) => { event.preventDefault(); document.querySelector<HTMLElement>("h1")?.focus(); }}>Skip to the content</a>
      <Header page={page} />
      <main id="content" class={`${isSilent(condition) ? "out-of-date" : ""}${page === "source" || page === "image" ? " has-head" : ""}`}>
        <h1 tabIndex={-1}>{title}</h1>
        <WorkMessage />
        <Boundary key={title}><Content /></Boundary>
      </main>
      <Announcement />
      <footer><a href="docs">API reference</a> <a href="web/LICENSES.txt">Licences of what this page is made of</a></footer>
    </>
  );
}

function NotFound() {
  return <p class="empty">There is no such page. <Link to={href("now")}>What happens now</Link></p>;
}

/** A new alert, for who does not see it. */
function Announcement() {
  const { alert, nChanges } = useStore(live);
  const isNew = alert !== null && nChanges > 0;
  return <p id="announcement" class="visually-hidden" aria-live="polite">{isNew ? `New alert: ${kindText(alert.kind)}, S/N ${number(alert.snr)}, ${alert.stream}` : ""}</p>;
}

/** A defect of one page leaves the head and the other pages. */
class Boundary extends Component<{ children: ComponentChildren }, { error: Error | null }> {
  override state = { error: null };

  static override getDerivedStateFromError(error: Error): { error: Error } {
    return { error };
  }

  override componentDidCatch(error: Error): void {
    console.error(error);
  }

  override render() {
    const error: Error | null = this.state.error;
    return error ? <p class="empty" role="alert">This page has a defect: {(error as Error).message}. The other pages work.</p> : this.props.children;
  }
}

const root = document.getElementById("page");
if (root) render(<Page />, root);
followAlerts();
