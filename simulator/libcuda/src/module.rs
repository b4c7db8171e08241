//! Loaded code: modules and functions of a context, libraries and kernels of the process, and the linker.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::sync::{Arc, Weak};

use ffi_headers::cuda::*;
use parking_lot::Mutex;
use simulator::timeline::cost::KernelCost;

use crate::abi::Outcome;
use crate::context::Context;
use crate::copy;
use crate::driver::{Driver, memory_code};
use crate::hash::WordMap;
use crate::image::Image;
use crate::memory::Owner;
use crate::overhead::Code;

/// An image loaded into a context.
pub struct Module {
    pub context: &'static Context,
    image: Arc<Image>,
    functions: Mutex<HashMap<CString, Arc<Function>>>,
    globals: Mutex<HashMap<CString, (CUdeviceptr, usize)>>,
    /// The kernels of the library it was loaded for share their settings with its functions.
    library: Weak<Library>,
    code: Code,
}

/// A function of a module.
pub struct Function {
    pub context: &'static Context,
    pub name: CString,
    /// What its launches take.
    pub cost: KernelCost,
    /// Address that is the module's handle.
    pub module: usize,
    pub settings: Arc<Mutex<FunctionSettings>>,
}

/// An image loaded into the process.
pub struct Library {
    image: Arc<Image>,
    kernels: Mutex<HashMap<CString, Arc<Kernel>>>,
    /// Per context, the address that is the module's handle.
    modules: Mutex<HashMap<Owner, usize>>,
}

/// A function of a library, in whatever context it is launched.
pub struct Kernel {
    pub name: CString,
    /// What its launches take.
    pub cost: KernelCost,
    /// Address that is the library's handle.
    pub library: usize,
    pub settings: Arc<Mutex<FunctionSettings>>,
}

/// What a program can set on a function and read back.
#[derive(Default)]
pub struct FunctionSettings {
    attributes: WordMap<CUfunction_attribute, i32>,
    pub block_shape: (u32, u32, u32),
    pub shared_bytes: u32,
}

/// Images on their way to be linked.
#[derive(Default)]
pub struct Linker {
    pub inputs: Mutex<Vec<Image>>,
    /// The result, at an address that stays while the linker lives.
    pub linked: Mutex<Option<Box<[u8]>>>,
}

impl Module {
    pub fn load(
        driver: &Driver,
        context: &'static Context,
        image: Arc<Image>,
        library: &Weak<Library>,
    ) -> Outcome<CUmodule> {
        let code = driver.take_code(context, image.device_bytes())?;
        Ok(driver.modules.insert(Arc::new(Self {
            context,
            image,
            functions: Mutex::default(),
            globals: Mutex::default(),
            library: library.clone(),
            code,
        })))
    }

    /// The handle of the function `name`, the same at each call.
    pub fn function(&self, driver: &Driver, own: CUmodule, name: &CStr) -> Outcome<CUfunction> {
        if !self.image.has_name(name) {
            return Err(CUDA_ERROR_NOT_FOUND);
        }
        let text = name.to_owned();
        let mut functions = self.functions.lock();
        if let Some(function) = functions.get(&text) {
            return Ok(Arc::as_ptr(function).cast_mut().cast());
        }
        let kernel = self.library.upgrade().and_then(|library| library.kernels.lock().get(&text).cloned());
        let settings = kernel.map(|kernel| Arc::clone(&kernel.settings)).unwrap_or_default();
        let cost = cost(driver, name);
        let function =
            Arc::new(Function { context: self.context, name: text.clone(), cost, module: own as usize, settings });
        functions.insert(text, Arc::clone(&function));
        Ok(driver.functions.insert(function))
    }

    /// Address and size of the variable `name`, which gets its contents at the first call. Its memory is the module's.
    pub fn global(&self, driver: &Driver, name: &CStr) -> Outcome<(CUdeviceptr, usize)> {
        let text = name.to_owned();
        let mut globals = self.globals.lock();
        if let Some(found) = globals.get(&text) {
            return Ok(*found);
        }
        let variable = self.image.variable(name).filter(|v| v.bytes > 0).ok_or(CUDA_ERROR_NOT_FOUND)?;
        let mut space = driver.device_of(self.context).space();
        let address = space.place_variable(self.context.id, variable.bytes as u64).map_err(memory_code)?;
        drop(space);
        match variable.contents {
            Some(contents) => copy::write(address, contents),
            None => copy::fill(address, 0u8, variable.bytes),
        }
        globals.insert(text, (address, variable.bytes));
        Ok((address, variable.bytes))
    }

    /// Ends the functions and frees the memory.
    pub fn unload(&self, driver: &Driver) {
        for function in self.functions.lock().values() {
            driver.functions.remove::<CUfunc_st>(Arc::as_ptr(function).cast_mut().cast());
        }
        let mut space = driver.device_of(self.context).space();
        for (address, _) in self.globals.lock().drain().map(|(_, found)| found) {
            space.remove_variable(address);
        }
        drop(space);
        driver.give_code(self.context, self.code);
    }
}

impl Library {
    pub fn load(driver: &Driver, image: Image) -> CUlibrary {
        let library = Self { image: Arc::new(image), kernels: Mutex::default(), modules: Mutex::default() };
        driver.libraries.insert(Arc::new(library))
    }

    /// The handle of the kernel `name`, the same at each call.
    pub fn kernel(&self, driver: &Driver, own: CUlibrary, name: &CStr) -> Outcome<CUkernel> {
        if !self.image.has_name(name) {
            return Err(CUDA_ERROR_NOT_FOUND);
        }
        let text = name.to_owned();
        let mut kernels = self.kernels.lock();
        if let Some(kernel) = kernels.get(&text) {
            return Ok(Arc::as_ptr(kernel).cast_mut().cast());
        }
        let kernel = Arc::new(Kernel {
            name: text.clone(),
            cost: cost(driver, name),
            library: own as usize,
            settings: Arc::default(),
        });
        kernels.insert(text, Arc::clone(&kernel));
        Ok(driver.kernels.insert(kernel))
    }

    /// The library's module in `context`, loaded at the first call.
    pub fn module(self: &Arc<Self>, driver: &Driver, context: &'static Context) -> Outcome<CUmodule> {
        let mut modules = self.modules.lock();
        if let Some(module) = modules.get(&context.id) {
            return Ok(*module as CUmodule);
        }
        let module = Module::load(driver, context, Arc::clone(&self.image), &Arc::downgrade(self))?;
        modules.insert(context.id, module as usize);
        Ok(module)
    }

    pub fn forget_context(&self, context: Owner) {
        self.modules.lock().remove(&context);
    }

    /// Ends the kernels and the modules.
    pub fn unload(&self, driver: &Driver) {
        for kernel in self.kernels.lock().values() {
            driver.kernels.remove::<CUkern_st>(Arc::as_ptr(kernel).cast_mut().cast());
        }
        for module in self.modules.lock().values() {
            if let Some(module) = driver.modules.remove(*module as CUmodule) {
                module.unload(driver);
            }
        }
    }
}

/// What launches of the kernel `name` take.
fn cost(driver: &Driver, name: &CStr) -> KernelCost {
    driver.simulation.kernel_cost(&name.to_string_lossy())
}

impl FunctionSettings {
    /// The value of an attribute on `device`. The figures of a function that nobody compiled are those of a small kernel.
    pub fn attribute(&self, attribute: CUfunction_attribute, device: &simulator::device::DeviceInfo) -> Outcome<i32> {
        if let Some(value) = self.attributes.get(&attribute) {
            return Ok(*value);
        }
        let (major, minor) = device.compute_capability;
        Ok(match attribute {
            CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK => 1024,
            CU_FUNC_ATTRIBUTE_NUM_REGS => 32,
            CU_FUNC_ATTRIBUTE_PTX_VERSION | CU_FUNC_ATTRIBUTE_BINARY_VERSION => (major * 10 + minor) as i32,
            CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES => device.shared_memory_per_block as i32,
            CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT => -1,
            known if known <= CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE => 0,
            _ => return Err(CUDA_ERROR_INVALID_VALUE),
        })
    }

    pub fn set_attribute(
        &mut self,
        attribute: CUfunction_attribute,
        value: i32,
        device: &simulator::device::DeviceInfo,
    ) -> Outcome {
        let accepted = match attribute {
            CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES => 0..=device.shared_memory_per_block_optin as i32,
            CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT => -1..=100,
            CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH
            | CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT
            | CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH => 0..=16,
            CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED => 0..=1,
            CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE => 0..=2,
            _ => return Err(CUDA_ERROR_INVALID_VALUE),
        };
        if !accepted.contains(&value) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        self.attributes.insert(attribute, value);
        Ok(())
    }
}

impl Linker {
    /// What the inputs come to: the last one that is binary, or else the texts one behind the other.
    pub fn link(&self) -> Outcome<(*mut core::ffi::c_void, usize)> {
        let inputs = self.inputs.lock();
        let binary = inputs.iter().rev().find(|image| !image.is_ptx()).map(|image| image.bytes().to_vec());
        let linked = binary.unwrap_or_else(|| {
            let mut text: Vec<u8> =
                inputs.iter().flat_map(|image| image.bytes().iter().copied().filter(|byte| *byte != 0)).collect();
            text.push(0);
            text
        });
        if inputs.is_empty() {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let mut place = self.linked.lock();
        let linked = place.insert(linked.into_boxed_slice());
        Ok((linked.as_mut_ptr().cast(), linked.len()))
    }
}
