// A fetch handler, as it is written for other hosts; tests use it.

async function answer(request) {
  const url = new URL(request.url);
  switch (url.pathname.split("/").pop()) {
    case "echo":
      return new Response(request.body, { headers: { "content-type": request.headers.get("content-type") } });
    case "size":
      return Response.json((await request.arrayBuffer()).byteLength);
    case "seen":
      return Response.json({ method: request.method, id: request.headers.get("x-obelisk-path-id"), query: url.search });
    case "throw":
      throw new Error("as asked");
    default:
      return new Response("pong");
  }
}

addEventListener("fetch", (event) => event.respondWith(answer(event.request)));
