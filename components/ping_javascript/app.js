// The body comes back as it comes in; a path that ends in `/slow` takes its time first.
addEventListener('fetch', (event) => event.respondWith(answer(event.request)));

async function answer(request) {
  if (new URL(request.url).pathname.endsWith('/slow')) await new Promise((resolve) => setTimeout(resolve, 200));
  return new Response(request.body);
}
