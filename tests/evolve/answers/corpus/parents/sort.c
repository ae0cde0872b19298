#include <stddef.h>

/* EVOLVE-BLOCK-START */
static void sort3(int *a) {
  for (size_t i = 0; i < 2; i++) {
    if (a[i] > a[i + 1]) {
      int t = a[i];
      a[i] = a[i + 1];
      a[i + 1] = t;
    }
  }
}
/* EVOLVE-BLOCK-END */
