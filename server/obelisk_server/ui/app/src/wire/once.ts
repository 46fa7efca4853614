/** What is asked for more often than it can be done. */

/** Does `work`, which throws nothing, once at a time; and once more at its end, if it was wanted meanwhile. */
export function oneAtATime(work: () => Promise<void>): () => void {
  let busy = false;
  let wanted = false;
  const run = async (): Promise<void> => {
    wanted = true;
    if (busy) return;
    busy = true;
    while (wanted) {
      wanted = false;
      await work();
    }
    busy = false;
  };
  return () => void run();
}
