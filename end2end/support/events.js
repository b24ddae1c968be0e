// Bodies of event requests.

/** The seed's example: eight events of one session, in the seed's exact shape. */
export const seedSession = {
  sessionId: "1234567890_xyz789",
  anonymousId: "1234567890_abc123",
  events: [
    { eventName: "page_view", timestamp: 1703001000000 },
    { eventName: "scroll_depth_25", timestamp: 1703001005000 },
    { eventName: "video_started", timestamp: 1703001010000 },
    { eventName: "faq_opened", timestamp: 1703001030000 },
    { eventName: "buy_button_clicked", timestamp: 1703001050000 },
    { eventName: "checkout_started", timestamp: 1703001051000 },
    {
      eventName: "checkout_completed",
      timestamp: 1703001200000,
      properties: { revenue: 99, orderId: "whop_12345", source: "whop_webhook", sessionEnd: true },
    },
    { eventName: "session_end", timestamp: 1703001201000, properties: { converted: true, revenue: 99, duration: 149 } },
  ],
  converted: true,
  conversionType: "purchase",
  conversionValue: 99,
  totalDuration: 201,
};

/** One event in the seed's shape; without properties it has empty ones, as the seed's sender does. */
export const event = ({ anonymousId, sessionId }, { eventName, timestamp = Date.now(), properties = {} }) => ({
  eventName,
  properties,
  context: { user: { anonymousId }, session: { sessionId } },
  timestamp,
});

/** A request's body with these events. */
export const batch = (ids, ...events) => ({ events: events.map((it) => event(ids, it)) });

/** Ids that no other test uses. */
export const newIds = (name, now = Date.now()) => ({ anonymousId: `${now}_visitor_${name}`, sessionId: `${now}_session_${name}` });
