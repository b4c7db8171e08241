//! Contexts that count their users.
#![expect(unsafe_code)]
// UNSAFETY: calls the library through C function pointers.

mod common;

use std::ptr::null_mut;

use common::{CONTEXT, cu, ok, own_device, used};
use ffi_headers::cuda::*;

#[test]
fn a_context_goes_with_its_last_user() {
    let device = own_device();
    let (mut context, mut same) = (null_mut(), null_mut());
    ok!(cuCtxCreate_v2(&mut context, 0, device));
    ok!(cuCtxAttach(&mut same, 0));
    assert_eq!((same, cu!(cuCtxAttach(&mut same, 1))), (context, CUDA_ERROR_INVALID_VALUE));
    ok!(cuCtxDetach(context));
    assert_eq!(used(), CONTEXT, "it has the user left who made it");
    ok!(cuCtxSetCurrent(null_mut()));
    assert_eq!(cu!(cuCtxDetach(context)), CUDA_ERROR_INVALID_CONTEXT, "only a current one");
    ok!(cuCtxSetCurrent(context));
    ok!(cuCtxDetach(context));
    assert_eq!(cu!(cuCtxSetCurrent(context)), CUDA_ERROR_INVALID_CONTEXT);
}
