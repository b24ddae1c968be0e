//! `robots.txt` and `sitemap.xml`.

use super::{Page, Site};

/// `robots.txt`: everything but the machines' routes and the owner's screens.
pub fn robots(site: &Site) -> String {
    format!("User-agent: *\nDisallow: /api/\nDisallow: /aurea\n\nSitemap: {}/sitemap.xml\n", site.origin)
}

/// `sitemap.xml`: the pages that search engines may list.
pub fn sitemap(site: &Site) -> String {
    let urls: Vec<String> = (Page::ALL.into_iter())
        .filter(|page| page.is_listed())
        .map(|page| format!("  <url><loc>{}{}</loc></url>", site.origin, page.path()))
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n{}\n</urlset>\n",
        urls.join("\n")
    )
}
