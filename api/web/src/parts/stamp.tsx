// A picture of pixels around a position. Two are loaded at a time: the API has no more turns for one address.

import { useEffect, useState } from "preact/hooks";
import { Link } from "../address";
import { url } from "../http";
import { useSeen } from "./marks";

const TURNS = 2;
const waiting: (() => void)[] = [];
let nTaken = 0;

function takeTurn(): { start: Promise<void>; end: () => void } {
  let isTaken = false;
  let isOver = false;
  let begin: () => void = () => undefined;
  const start = new Promise<void>((done) => {
    begin = () => {
      isTaken = true;
      nTaken += 1;
      done();
    };
  });
  if (nTaken < TURNS) begin();
  else waiting.push(begin);
  const end = (): void => {
    if (isOver) return;
    isOver = true;
    if (!isTaken) {
      waiting.splice(waiting.indexOf(begin), 1);
      return;
    }
    nTaken -= 1;
    waiting.shift()?.();
  };
  return { start, end };
}

interface Props {
  pictures: readonly string[]; // the first one that is there is shown
  to: string;
  caption?: string;
  isChosen?: boolean;
  label: string;
}

/** The address of a stored stamp: known from the alert on, before it is cut. */
export const stampUrl = (trigId: string, role: string, format = "png"): string => url(`stamps/${trigId}-${role}`, { format });

export const cutoutUrl = (image: string | number, at: { ra: number; dec: number }): string => url(`images/${image}/cutout`, { ra: at.ra, dec: at.dec });

export function Stamp({ pictures, to, caption, label, isChosen = false }: Props) {
  const [place, isSeen] = useSeen<HTMLElement>();
  const [state, setState] = useState<"waiting" | "loading" | "shown" | "gone">("waiting");
  const [nTried, setTried] = useState(0);
  const [turn, setTurn] = useState<(() => void) | null>(null);
  const key = pictures.join(" ");
  useEffect(() => {
    if (!isSeen) return undefined;
    setState("waiting");
    setTried(0);
    const { start, end } = takeTurn();
    void start.then(() => setState((before) => (before === "waiting" ? "loading" : before)));
    setTurn(() => end);
    return end;
  }, [isSeen, key]);
  const finish = (next: "shown" | "gone") => (): void => {
    setState(next);
    turn?.();
  };
  const tryNext = (): void => {
    if (nTried + 1 < pictures.length) setTried(nTried + 1);
    else finish("gone")();
  };
  return (
    <figure ref={place} class={`stamp ${state}${isChosen ? " chosen" : ""}`}>
      <Link to={to} aria-label={label}>
        {(state === "loading" || state === "shown") && <img key={nTried} src={pictures[nTried]} alt={label} width="96" height="96" onLoad={finish("shown")} onError={tryNext} />}
        {state === "gone" && <span class="gone">pixels not kept</span>}
      </Link>
      {caption && <figcaption>{caption}</figcaption>}
    </figure>
  );
}
