//! What a function takes and returns, as text that two independent sets of declarations can agree on.
use std::any::type_name;

/// Types of the arguments, then of the result.
pub trait Signature {
    /// The types' names without paths, as the compiler gives them.
    fn signature() -> Vec<String>;
}

/// The signature of a function value.
pub fn of<F: Signature>(_function: F) -> Vec<String> {
    F::signature()
}

/// A function of a reference that loads the driver by itself.
pub struct Theirs<F>(pub F);

/// A method of a reference's library object; the object is no argument of the driver's function.
pub struct Method<F>(pub F);

/// `*mut a::b::CUctx_st` as `*mut CUctx`: pointers kept; path and the suffix of a tag or a typedef dropped.
fn plain<T>() -> String {
    let name = type_name::<T>();
    let start = name.rfind("*mut ").map_or(0, |at| at + 5).max(name.rfind("*const ").map_or(0, |at| at + 7));
    if name.contains("Option<") {
        return "callback".to_owned();
    }
    let (pointers, path) = name.split_at(start);
    let base = path.rsplit("::").next().unwrap_or(path);
    let base =
        ["_status", "_st", "_union", "_t"].iter().fold(base, |base, suffix| base.strip_suffix(suffix).unwrap_or(base));
    format!("{pointers}{base}")
}

/// Whether the two name one type: the same, or an enumeration there and the integer that C gives it here.
pub fn agree(ours: &str, theirs: &str) -> bool {
    let integer = |of: &str| of.strip_suffix("u32").or(of.strip_suffix("i32")).map(str::to_owned);
    let pointers = |of: &str| of.rfind(' ').map_or(String::new(), |at| of[..=at].to_owned());
    // C gives this one no tag that would end so.
    let enumeration = theirs.ends_with("_enum") || theirs.ends_with("CUdevResourceType");
    ours == theirs || enumeration && integer(ours) == Some(pointers(theirs))
}

macro_rules! arities {
    ($(($($argument:ident)*))*) => {$(
        impl<$($argument,)* R> Signature for Option<unsafe extern "C" fn($($argument),*) -> R> {
            fn signature() -> Vec<String> {
                vec![$(plain::<$argument>(),)* plain::<R>()]
            }
        }

        impl<$($argument,)* R> Signature for Theirs<unsafe fn($($argument),*) -> R> {
            fn signature() -> Vec<String> {
                vec![$(plain::<$argument>(),)* plain::<R>()]
            }
        }

        impl<L, $($argument,)* R> Signature for Method<for<'a> unsafe fn(&'a L, $($argument),*) -> R> {
            fn signature() -> Vec<String> {
                vec![$(plain::<$argument>(),)* plain::<R>()]
            }
        }
    )*};
}

arities! {
    () (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) (A B C D E F G H I)
    (A B C D E F G H I J) (A B C D E F G H I J K) (A B C D E F G H I J K M)
}
