// What is known around a source: other sources of the running catalogue, and of reference catalogues.

import { href, Link } from "../address";
import { arcsec, flux, number } from "../format";
import { Loaded, useResource } from "../resource";
import type { Page, Reference, Related } from "../types";

const MOST = 20;

export function KnownSources({ source }: { source: number }) {
  const references = useResource<Page<Reference>>(`sources/${source}/references`);
  const related = useResource<Page<Related>>(`sources/${source}/related`);
  return (
    <section class="card" aria-label="Known sources">
      <h2>Known sources nearby</h2>
      <h3>Reference catalogues, within 5 arcmin</h3>
      <Loaded of={references} what="reference catalogues">{({ items }) => <References items={items} />}</Loaded>
      <h3>This catalogue, within 1 arcmin, and related</h3>
      <Loaded of={related} what="related sources">
        {({ items }) => (items.length === 0 ? <p class="quiet">No other source.</p> : (
          <ul class="plain">
            {items.slice(0, MOST).map((each) => <li key={each.id}><Link to={href("source", { id: each.id })}>source {each.id}</Link> {each.relations.join(", ")}, {arcsec(each.separation_arcsec)}, η {number(each.eta)}, {each.n_datapoints} points</li>)}
          </ul>
        ))}
      </Loaded>
    </section>
  );
}

/** The nearest source of each catalogue. */
function References({ items }: { items: readonly Reference[] }) {
  if (!items.length) return <p class="quiet">None, or no catalogue was loaded: <code>livetrap catalogues load</code>.</p>;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Nearest source of each reference catalogue">
      <table>
        <thead><tr><th scope="col">catalogue</th><th scope="col">source</th><th scope="col" class="figure">distance</th><th scope="col" class="figure">flux density</th></tr></thead>
        <tbody>{items.map((each) => <tr key={each.catalogue}><th scope="row">{each.catalogue}</th><td class="name">{each.name ?? "–"}</td><td class="figure">{arcsec(each.separation_arcsec)}</td><td class="figure">{flux(each.flux_jy)}</td></tr>)}</tbody>
      </table>
    </div>
  );
}
