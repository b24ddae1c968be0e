// How each provider signs its deliveries, in the words of its official library. The key is what the owner is shown and
// puts into the environment.
import "@shopify/shopify-api/adapters/node";
import { createHmac } from "node:crypto";
import { webhooks as polar } from "@polar-sh/sdk/2026-10";
import { ApiVersion, shopifyApi } from "@shopify/shopify-api";
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";

const keys = {
  whop: "ws_0123456789abcdef0123456789abcdef",
  stripe: "whsec_0123456789abcdef0123456789abcdef",
  polarOld: "polar_whs_0123456789abcdefABCDEF", // made before 2026-09-08, or chosen by the merchant
  polarNew: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  shopify: "shpss_0123456789abcdef0123456789abcdef",
};

/** Environment of a ttr for which all of them are on. */
export const env = {
  WHOP_WEBHOOK_SECRET: keys.whop,
  WHOP_CHECKOUT_URL: "http://127.0.0.1:9/checkout/plan_ttr", // nobody goes there
  STRIPE_WEBHOOK_SECRET: keys.stripe,
  POLAR_WEBHOOK_SECRET: `${keys.polarOld},${keys.polarNew}`,
  SHOPIFY_WEBHOOK_SECRET: keys.shopify,
};

const shop = shopifyApi({
  apiKey: "app",
  apiSecretKey: keys.shopify,
  apiVersion: ApiVersion.July25, // says nothing of signatures
  hostName: "127.0.0.1",
  isEmbeddedApp: false,
  logger: { log: () => {} },
});

/**
 * `sign` gives the headers that make `body` authentic; each byte of them matters. Where the official library only
 * verifies, `agrees` says whether it takes what was signed here by its documentation.
 */
export const schemes = [
  {
    name: "Whop",
    path: "/api/webhooks/whop",
    // Whop's key is the secret's own bytes, `ws_` included; the library, which decodes base64, is given their base64.
    sign: standardWebhooks(new Webhook(Buffer.from(keys.whop).toString("base64"))),
  },
  {
    name: "Stripe",
    path: "/api/webhooks/stripe",
    sign: (body, { seconds }) => ({
      "stripe-signature": Stripe.webhooks.generateTestHeaderString({ payload: body, secret: keys.stripe, timestamp: seconds }),
    }),
  },
  {
    name: "Polar with an old secret",
    path: "/api/webhooks/polar",
    // The key is the secret's own bytes, as with Whop.
    sign: standardWebhooks(new Webhook(Buffer.from(keys.polarOld).toString("base64"))),
    agrees: polarAgrees(keys.polarOld),
  },
  {
    name: "Polar with a new secret",
    path: "/api/webhooks/polar",
    sign: standardWebhooks(new Webhook(keys.polarNew)),
    agrees: polarAgrees(keys.polarNew),
  },
  {
    name: "Shopify",
    path: "/api/webhooks/shopify",
    sign: (body) => ({ "x-shopify-hmac-sha256": createHmac("sha256", keys.shopify).update(body).digest("base64") }),
    agrees: shopifyAgrees,
  },
];

/** A signature that Polar's library accepts; a body that it can't read has passed that before. */
function polarAgrees(secret) {
  return async (body, headers) => {
    try {
      await polar.validateEvent(body, headers, secret);
      return true;
    } catch (error) {
      return !(error instanceof polar.PolarWebhookVerificationError);
    }
  };
}

/** A delivery that Shopify's library accepts; it wants the headers that nobody signs too, and takes no empty body. */
async function shopifyAgrees(body, headers) {
  const unsigned = {
    "x-shopify-topic": "orders/paid",
    "x-shopify-shop-domain": "ttr.myshopify.com",
    "x-shopify-api-version": "2026-10",
    "x-shopify-webhook-id": "id",
  };
  const rawRequest = { headers: { ...headers, ...unsigned } };
  return body === "" || (await shop.webhooks.validate({ rawBody: body, rawRequest, rawResponse: {} })).valid;
}

/** Signs as Standard Webhooks writes it. */
export function standardWebhooks(webhook) {
  return (body, { id, seconds }) => ({
    "webhook-id": id,
    "webhook-timestamp": String(seconds),
    "webhook-signature": webhook.sign(id, new Date(seconds * 1000), body),
  });
}
