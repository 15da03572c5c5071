// A cut-out of an image around a position. Two are loaded at a time: the API has no more turns for one address.

import { useEffect, useState } from "preact/hooks";
import { href, Link } from "../address";
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
  image: string | number;
  ra: number;
  dec: number;
  caption?: string;
  isChosen?: boolean;
  label: string;
}

export function Stamp({ image, ra, dec, caption, label, isChosen = false }: Props) {
  const [place, isSeen] = useSeen<HTMLElement>();
  const [state, setState] = useState<"waiting" | "loading" | "shown" | "gone">("waiting");
  const [turn, setTurn] = useState<(() => void) | null>(null);
  const address = url(`images/${image}/cutout`, { ra, dec });
  useEffect(() => {
    if (!isSeen) return undefined;
    setState("waiting");
    const { start, end } = takeTurn();
    void start.then(() => setState((before) => (before === "waiting" ? "loading" : before)));
    setTurn(() => end);
    return end;
  }, [isSeen, address]);
  const finish = (next: "shown" | "gone") => (): void => {
    setState(next);
    turn?.();
  };
  return (
    <figure ref={place} class={`stamp ${state}${isChosen ? " chosen" : ""}`}>
      <Link to={href("image", { id: image })} aria-label={`${label}; open the image`}>
        {(state === "loading" || state === "shown") && <img src={address} alt={label} width="96" height="96" onLoad={finish("shown")} onError={finish("gone")} />}
        {state === "gone" && <span class="gone">pixels not kept</span>}
      </Link>
      {caption && <figcaption>{caption}</figcaption>}
    </figure>
  );
}
