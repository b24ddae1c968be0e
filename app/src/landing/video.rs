//! The demo video: a native player that works by itself, and the island that observes it.

use leptos::prelude::*;

use super::when_hydrated;
#[cfg(feature = "ssr")]
use super::words;
use crate::tracking::browser;

/// Emits its own events; everything inside works without it.
#[island]
pub fn Video(children: Children) -> impl IntoView {
    let root = NodeRef::new();
    when_hydrated(root, browser::video);
    view! { <div class="island" data-island="video" node_ref=root>{children()}</div> }
}

/// Nothing of the video is fetched before it is played; its space is kept free.
#[cfg(feature = "ssr")]
#[component]
pub(crate) fn VideoSection(words: words::Video) -> impl IntoView {
    let sources: Vec<_> = (words.sources.into_iter())
        .map(|source| view! { <source src=source.src r#type=source.kind/> })
        .collect();
    let captions = words.captions;
    view! {
        <section class="tour" id="video">
            <div class="wrap">
                <div class="heading">
                    <h2>{words.title}</h2>
                    <p class="lead">{words.lead}</p>
                </div>
                <figure>
                    <Video>
                        <video
                            data-video=words.name.clone()
                            aria-label=words.name.clone()
                            controls
                            playsinline
                            preload="metadata"
                            poster=words.poster
                            width=words.width
                            height=words.height
                        >
                            {sources}
                            <track
                                kind="captions"
                                src=captions.src
                                srclang=captions.language
                                label=captions.label
                                default
                            />
                        </video>
                    </Video>
                    <figcaption>{words.note}</figcaption>
                </figure>
            </div>
        </section>
    }
}
