// How each provider signs its deliveries, in the words of its official library. The key is what the owner is shown and
// puts into the environment.
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";

const keys = {
  whop: "ws_0123456789abcdef0123456789abcdef",
  stripe: "whsec_0123456789abcdef0123456789abcdef",
};

/** Environment of a ttr for which all of them are on. */
export const env = {
  WHOP_WEBHOOK_SECRET: keys.whop,
  WHOP_CHECKOUT_URL: "http://127.0.0.1:9/checkout/plan_ttr", // nobody goes there
  STRIPE_WEBHOOK_SECRET: keys.stripe,
};

/** `sign` gives the headers that make `body` authentic; each byte of them matters. */
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
];

/** Signs as Standard Webhooks writes it. */
export function standardWebhooks(webhook) {
  return (body, { id, seconds }) => ({
    "webhook-id": id,
    "webhook-timestamp": String(seconds),
    "webhook-signature": webhook.sign(id, new Date(seconds * 1000), body),
  });
}
