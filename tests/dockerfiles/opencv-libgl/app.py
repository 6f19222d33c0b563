import cv2
import numpy

print(cv2.resize(numpy.zeros((2, 2, 3), "uint8"), (4, 4)).shape)
