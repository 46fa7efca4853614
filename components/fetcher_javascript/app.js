// An activity that makes HTTP requests as it would elsewhere; see `fetcher`, which does more.
const actions = {
  async get(url) {
    const response = await fetch(url);
    return [response.status, await response.text()];
  },

  async post(url, body) {
    const response = await fetch(url, { method: 'POST', body });
    return [response.status, await response.text()];
  },

  async download(url) {
    return (await (await fetch(url)).arrayBuffer()).byteLength;
  },
};

export const fetcher = {
  async fetch(action, url, argument) {
    try {
      return JSON.stringify(await actions[action](url, argument));
    } catch (error) {
      throw String(error);
    }
  },
};
