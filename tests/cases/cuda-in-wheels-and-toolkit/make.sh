# Libraries and distributions that have the names, links and places of the real ones, and no weight.
set -e
site=site nvidia=site/nvidia/cublas/lib
mkdir -p toolkit/lib64 "$nvidia" site/torch/lib
echo 'int cublas(void) { return 42; }' > cublas.c
gcc -shared -fPIC -Wl,-soname,libcublas.so.12 -o "$nvidia/libcublas.so.12" cublas.c
gcc -shared -fPIC -Wl,-soname,libcublas.so.12 -DTOOLKIT -o toolkit/lib64/libcublas.so.12.1.0 cublas.c
head -c 4000000 /dev/urandom >> toolkit/lib64/libcublas.so.12.1.0
ln -s libcublas.so.12.1.0 toolkit/lib64/libcublas.so.12
cat > torch.c <<'C'
#include <Python.h>
int cublas(void);
static PyObject *answer(PyObject *self, PyObject *none) { return PyLong_FromLong(cublas()); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, ""}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_C", "", -1, methods};
PyMODINIT_FUNC PyInit__C(void) { return PyModule_Create(&module); }
C
gcc -shared -fPIC $(python3-config --includes) torch.c -L"$nvidia" -l:libcublas.so.12 \
    -Wl,-rpath,'$ORIGIN/../nvidia/cublas/lib' -o site/torch/_C.cpython-311-x86_64-linux-gnu.so
echo 'from torch._C import answer' > site/torch/__init__.py
python3 metadata.py torch 2.1.0 'torch/__init__.py,torch/_C.cpython-311-x86_64-linux-gnu.so' nvidia-cublas-cu12
python3 metadata.py nvidia-cublas-cu12 12.1.3.1 nvidia/cublas/lib/libcublas.so.12
