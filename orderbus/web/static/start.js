// Shows the description of this very server, and asks no other host for anything.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#viewer",
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null,
});
