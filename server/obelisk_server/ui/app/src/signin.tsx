/** Asks for a token when the server wants one, and tries it before it is kept. */

import type { JSX } from "preact";
import { useLayoutEffect, useState } from "preact/hooks";
import { notify } from "./look/notices.tsx";
import { Dialog } from "./look/parts.tsx";
import { Refused, hasToken, onSignInWanted, tryToken } from "./wire/client.ts";

export function SignIn(): JSX.Element | null {
  const [wanted, setWanted] = useState(false);
  // before anything that was asked ahead can be refused
  useLayoutEffect(() => onSignInWanted(() => setWanted(true)), []);
  if (!wanted) return null;
  return <SignInDialog onClose={() => (setWanted(false), notify("not signed in", { bad: true }))} />;
}

function SignInDialog({ onClose }: { onClose: () => void }): JSX.Element {
  const [token, type] = useState("");
  const [refused, setRefused] = useState<Refused | null>(null);
  const signIn = async (event: Event): Promise<void> => {
    event.preventDefault();
    try {
      await tryToken(token.trim());
      location.reload();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      setRefused(error);
    }
  };
  return (
    <Dialog title="Sign in" onClose={onClose}>
      <form onSubmit={signIn}>
        <p>{hasToken() ? "The server does not take this token any more." : "This server wants a token."}</p>
        <label class="field">
          <span>Token</span>
          <input
            type="password"
            autocomplete="current-password"
            required
            value={token}
            aria-invalid={refused !== null}
            onInput={(event) => (type(event.currentTarget.value), setRefused(null))}
          />
        </label>
        {refused && <WhatToDo refused={refused} />}
        <p class="hint">It is kept until this tab is closed.</p>
        <footer>
          <button type="submit" class="primary">
            Sign in
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function WhatToDo({ refused }: { refused: Refused }): JSX.Element {
  return (
    <p class="problem" role="alert">
      {refused.status === 401 ? (
        <>
          The server does not know this token, or it has expired. <code>obelisk token new</code> makes one; its hash
          goes into obelisk.toml, and <code>obelisk server reload</code> makes the server take it.
        </>
      ) : (
        refused.message
      )}
    </p>
  );
}
