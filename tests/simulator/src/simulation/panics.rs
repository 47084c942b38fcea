//! Panics of functions: the runtime catches them, so no one else would hear of them.

use std::cell::RefCell;
use std::sync::Once;

thread_local! {
    static HEARD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static LISTENS: RefCell<bool> = const { RefCell::new(false) };
}

static INSTALLED: Once = Once::new();

/// Runs something on this thread; also what panicked meanwhile.
pub(super) fn heard<T>(run: impl FnOnce() -> T) -> (T, Vec<String>) {
    INSTALLED.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if LISTENS.with_borrow(|listens| *listens) {
                HEARD.with_borrow_mut(|heard| heard.push(panic.to_string()));
            } else {
                usual(panic);
            }
        }));
    });
    LISTENS.set(true);
    HEARD.with_borrow_mut(Vec::clear);
    let result = run();
    LISTENS.set(false);
    (result, HEARD.take())
}
