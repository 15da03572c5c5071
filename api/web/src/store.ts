// A value that components follow; the only kind of state that outlives a page.

import { useEffect, useState } from "preact/hooks";

export class Store<T> {
  readonly #followers = new Set<() => void>();
  #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set(value: T): void {
    if (value === this.#value) return;
    this.#value = value;
    for (const each of [...this.#followers]) each();
  }

  change(changes: Partial<T>): void {
    this.set({ ...this.#value, ...changes });
  }

  follow(follower: () => void): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }
}

export function useStore<T>(store: Store<T>): T {
  const [value, setValue] = useState(store.value);
  useEffect(() => {
    setValue(store.value); // it may have changed between the first drawing and now
    return store.follow(() => setValue(store.value));
  }, [store]);
  return value;
}
