//! The only file that touches web-sys.

/// Starts the tracker.
pub fn start() {}

/// Follows a video.
pub fn video(root: &web_sys::Element) {
    let _ = root;
}
/// Follows the questions.
pub fn faq(root: &web_sys::Element) {
    let _ = root;
}
/// Follows a buy button's form.
pub fn buy_button(root: &web_sys::Element) {
    let _ = root;
}
/// Follows how far the visitor scrolls.
pub fn scroll_depth(root: &web_sys::Element) {
    let _ = root;
}
